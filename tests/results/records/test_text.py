from results.records.text import cell


def test_what_cannot_be_encoded_is_written_as_its_code():
    assert cell("much\udc80 more") == "much\\udc80 more"
