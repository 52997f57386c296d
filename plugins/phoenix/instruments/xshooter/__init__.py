"""XSHOOTER: converter of slit spectra, QC1 measurements and report pages."""
