"""What an output says of itself: a README with the configuration, and the configuration."""

from __future__ import annotations

import taujp

from .config import Configuration

CONFIGURATION = "mergekit_config.yml"
CARD = """---
library_name: transformers
tags:
- mergekit
- merge
- taujp
---
# {name}

A merge of {count} models by taujp {version} from a mergekit configuration: {method}{base}.

Models:
{models}

```yaml
{text}
```
"""


def card_files(config: Configuration, text: str, name: str) -> dict[str, str | bytes]:
    """README.md and mergekit_config.yml as bytes; text: the configuration as YAML."""
    listed = "\n".join(f"- {model}" for model in config.models)
    card = CARD.format(
        name=name,
        count=len(config.models),
        version=taujp.__version__,
        method=config.method,
        base=f", with {config.base} as the base" if config.base else "",
        models=listed,
        text=text.rstrip(),
    )
    return {"README.md": card.encode(), CONFIGURATION: text.encode()}
