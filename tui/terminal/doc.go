// Package terminal knows the consoles of the machine: which there are, what each can show, how big
// it is, and how to take it and give it back.
package terminal
