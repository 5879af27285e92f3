"""What a person looks at: figures, tables and the HTML report."""
