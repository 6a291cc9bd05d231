"""Our counts beside those of other libraries."""
