"""What a method does to a spectrum: exact on quadratics, proved beyond them. numpy only."""
