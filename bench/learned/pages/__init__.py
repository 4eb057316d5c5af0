"""Pages that set the tables of the papers on our networks beside what was measured; a suite's card
names each as a writer."""
