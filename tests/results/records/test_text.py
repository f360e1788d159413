from results.records.text import cell, recorded


def test_what_cannot_be_encoded_is_written_as_its_code():
    assert cell("much\udc80 more") == "much\\udc80 more"


def test_null_and_lists_are_recorded_as_one_line_of_text():
    values = [None, [64, 64], [["a\nb", 0.5], True], "null", 3, False]
    assert list(map(recorded, values)) == ["null", "[64, 64]", '[["a\\nb", 0.5], true]', "null", 3, False]
