"""Report pictures: values that say what is on a page (``panels``), and what turns them into pixels."""
