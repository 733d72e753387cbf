"""PyYAML, which came with pyOCD, reads the same from the probe-rs description as our strict reader does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from boardflash.description.load import load_board
from boardflash.export.formats import ExportRequest, export, format_named
from export.yaml_subset import Tagged, load

READER = """\
import json, sys, yaml

class Loader(yaml.SafeLoader):
    pass

def tagged(loader, suffix, node):
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        value = yaml.safe_load(node.value)
    return {"!": suffix, "value": value}

Loader.add_multi_constructor("!", tagged)
json.dump(yaml.load(open(sys.argv[1]), Loader), sys.stdout)
"""


def plain(value: Any) -> Any:
    if isinstance(value, Tagged):
        return {"!": value.tag, "value": plain(value.value)}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def test_pyyaml_reads_the_same_description(python: Path, tmp_path: Path) -> None:
    (path,) = export(format_named("probe-rs"), ExportRequest(load_board("stm32f746g-disco"), tmp_path))
    done = subprocess.run(
        [str(python), "-c", READER, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == plain(load(path.read_text(encoding="utf-8")))
