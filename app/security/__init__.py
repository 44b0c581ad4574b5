"""Who is signed in, what each role may do, and which rows it sees."""
