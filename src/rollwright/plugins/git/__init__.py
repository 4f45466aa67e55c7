"""What the git source and the git store have in common: addresses, the program, its complaints.

``address`` says what a person may write, ``program`` runs git without trusting anything it finds,
``faults`` tells what git said, ``alone`` keeps two processes out of one copy.
"""
