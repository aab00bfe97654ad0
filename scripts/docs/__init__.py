"""What writes the generated parts of docs/: tables, worked examples, spoiled files, pictures."""
