"""What the pages of every feature share: rendering, access, guidance, drafts, templates, scripts and styles."""
