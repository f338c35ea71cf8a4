"""Face recognition: find, align and embed faces, and compare the embeddings with a gallery."""
