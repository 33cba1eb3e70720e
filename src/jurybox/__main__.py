"""``python -m jurybox`` is the command line."""

from jurybox.cli import main

if __name__ == "__main__":
    main()
