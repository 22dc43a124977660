"""What every door does alike, whatever its clients speak: let in, count, wait, speak its last word, and hang up."""
