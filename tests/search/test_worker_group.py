import pytest

from search.schema import Resources
from search.worker_group import scaling


@pytest.mark.parametrize(
    ("resources", "workers", "each"),
    [
        ({"cpus": 2, "gpus": 0}, 1, {"CPU": 2}),
        ({"cpus": 1, "gpus": 0, "workers": 3}, 3, {"CPU": 1}),
        ({"cpus": 4, "gpus": 0.25}, 1, {"CPU": 4, "GPU": 0.25}),
        ({"cpus": 4, "gpus": 1, "workers": 2}, 2, {"CPU": 4, "GPU": 1}),
    ],
)
def test_ray_train_is_asked_for_what_the_space_says(resources, workers, each):
    asked = scaling(Resources(**resources))
    assert asked.num_workers == workers
    assert asked.resources_per_worker == each
    assert asked.use_gpu == ("GPU" in each)
