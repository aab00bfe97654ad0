"""The library: published models as readers find, compare and take them, and the pages of it for society."""
