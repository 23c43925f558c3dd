"""What start_ngrok.py is made of: an https address for this computer, by ngrok. No part of the program."""
