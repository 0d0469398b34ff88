"""What all truth tests share: interpreters, live targets, the programs under test, and the figures that a test leaves."""
