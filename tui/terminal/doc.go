// Package terminal knows the consoles of the machine: which there are, what each can show, how big
// it is, and how to take it and give it back. It puts between a full-screen program and the line
// what the program cannot know: the sequences that plain terminals would print as text are taken
// out, output is paced to the line's speed, and keys are brought into one form.
package terminal
