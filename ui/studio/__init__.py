"""What a server remembers and does, without HTTP: runs, library, gallery, uploads, owners."""
