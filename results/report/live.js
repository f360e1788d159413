'use strict';
// Loads the page anew when another was written. A page that is opened as a file may not fetch one, but may run a script:
// the small file beside it says which page is the newest, and is there as long as somebody writes pages.
(() => {
  const { stamp, beside, pause_s: pause } = JSON.parse(document.getElementById('live').textContent);
  let last = history.state?.last; // the page was loaded again since the small file was gone

  function again(gone) { // the browser keeps the place: charts have their height before they are drawn
    history.replaceState({ last: gone }, '');
    location.reload();
  }
  window.newestReport = newest => {
    if (newest !== stamp) return again(false);
    last = false;
    setTimeout(look, 1000 * pause);
  };
  function look() {
    const script = document.createElement('script');
    script.src = `${beside}?${Date.now()}`;
    script.onload = () => script.remove();
    script.onerror = () => {
      script.remove();
      if (!last) return again(true); // the last page does not look for others
      document.getElementById('followed').hidden = false;
    };
    document.head.append(script);
  }
  look();
})();
