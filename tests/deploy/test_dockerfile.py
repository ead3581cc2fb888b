"""deploy/Dockerfile, whose first stage is built by nobody here."""

import re

from conftest import ROOT


def test_the_last_stage_copies_what_the_first_one_makes():
    first, last = re.split(r"^FROM scratch AS runtime$", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    assert re.search(r"^FROM \S+ AS program$", first, re.MULTILINE)
    # Relative to the root of a stage, and of a folder that stands for it.
    sources = re.findall(r"^COPY --from=program (?:--\S+ )*(\S+) \S+$", last, re.MULTILINE)
    assert len(sources) == last.count("--from=program") == 2
    made = re.findall(r"(?:cp \S+|test -s) (/\S+)", first)
    assert {"/" + source.lstrip("/") for source in sources} == set(made)
    # The same paths in the folder of build.sh.
    build = (ROOT / "deploy/image/build.sh").read_text()
    for source in sources:
        assert f'"$folder/program/{source}"' in build
