"""What an installation is made of beside the code: its secrets, and the doctor that looks it over."""
