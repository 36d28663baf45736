"""The system on one machine: the command line, the HTTP server and the folder sync.

May import every other package of the repository that is shipped; none of them imports it.
"""
