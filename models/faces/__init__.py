"""Networks of face detection that several tasks use."""
