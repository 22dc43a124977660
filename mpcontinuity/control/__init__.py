"""Every administrative operation as one function: the command line, the API and the portal call these."""
