"""Face recognition for users: models that find and embed, galleries that know."""
