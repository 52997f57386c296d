"""One AB through one recipe: staging, SOF, container, verdict, publication."""
