"""What is remembered: tables, repositories, migrations, files. Knows no chat."""
