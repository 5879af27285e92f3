"""The page over all subjects of an imputation."""

import re

from mrisynth_pipeline.reporting.impute_index import SubjectRow, index_page

ROWS = [
    SubjectRow("b", "green", ("t1",), ("t2",), 0, "b.html", {"t2": 0.031}),
    SubjectRow("a", "green", ("t1", "t1c"), ("t2", "flair"), 2, "pages/sub a?.html", {"t2": 0.05, "flair": 0.0}),
    SubjectRow("<i>c", "red", ("t2",), ("flair",), 3, "javascript:alert(1)"),
]


def test_the_doubtful_come_first_and_every_subject_links_to_its_page():
    page = index_page(ROWS)
    assert re.findall(r'<a href="([^"]+)">([^<]+)</a>', page) == [
        ("javascript%3Aalert%281%29", "&lt;i&gt;c"),
        ("pages/sub%20a%3F.html", "a"),
        ("b.html", "b"),
    ]
    assert "Not for diagnostic use" in page
    assert "<i>c" not in page


def test_cells_show_text_and_carry_what_they_are_sorted_by():
    page = index_page(ROWS)
    assert '<td class="number" data-value="0.031">3.1 %</td>' in page
    assert '<td class="number" data-value="0.0">0.0 %</td>' in page, "no error is not the same as none known"
    assert '<td class="number" data-value="">–</td>' in page
    assert '<td data-value="t1+t1c">T1, T1Gd</td>' in page
    assert page.count('<th scope="col" aria-sort="none"') == 6
    assert page.count('<th scope="col" aria-sort="ascending"') == 1
    assert re.findall(r"</svg> (\w+)</span> (\d)", page) == [("Red", "1"), ("Amber", "0"), ("Green", "2")]


def test_the_page_needs_nothing_but_itself():
    assert not re.search(r"https?:|url\(|@import|src=", index_page(ROWS))


def test_an_empty_index_and_one_subject_read_well():
    assert "Imputed: 0 subjects" in index_page([])
    assert "Imputed: 1 subject<" in index_page(ROWS[:1])
