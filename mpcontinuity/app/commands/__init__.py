"""The command line ``mpcontinuity``: a file for each subject, and what all commands take and show."""
