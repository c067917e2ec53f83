package main

import (
	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/stage"
	flashaccess "holdfast/flash/access"
	"holdfast/ops/session"
)

// guardCommand is the other life of this program while a flash is mounted for writing: see package flash/access.
// It is nothing for people.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "guard",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return flashaccess.Guard() },
	}
}

// session is what this machine and the flags say about every session. A flash that was named may be any
// disk on a bench: what this system was booted from says nothing about it.
func (a *app) session() session.Options {
	booted := ""
	if a.flash == "" {
		booted, _ = stage.Argument(a.commandLine(), "img")
	}
	return session.Options{Guard: guardWords(), NoWait: a.noWait, Booted: booted}
}

// guardWords are this program's own file, even when another one has its name by now, and the word.
func guardWords() []string { return []string{"/proc/self/exe", "guard"} }
