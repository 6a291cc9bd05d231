"""How the result of each study is written down: one file a kind of result."""
