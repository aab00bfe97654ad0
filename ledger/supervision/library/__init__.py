"""The library: published models as readers find, compare and take them - and the face of it that society sees."""
