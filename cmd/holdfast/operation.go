package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/ops"
	"holdfast/ops/status"
)

// change is the plan of an operation that rewrites files of a flash.
type change interface {
	fmt.Stringer
	Apply(ctx context.Context, rep ops.Reporter) error
}

// result is what --json prints of such an operation.
type result struct {
	Done  string                `json:"done"` // what was done, "" for nothing
	Plan  []string              `json:"plan"` // its lines, as people get them
	Slots []status.SlotDocument `json:"slots"`
}

// planned makes a plan, with its progress on a terminal.
func planned[P any](a *app, plan func(ops.Reporter) (P, error)) (P, error) {
	p := &progress{out: a.err, live: isTerminal(a.err)}
	defer p.done()
	return plan(p)
}

// carry shows a plan, asks, and carries it out. what is the end of "Type yes to ..."; done is what
// a script is told, and "" when there is nothing to do.
func (a *app) carry(ctx context.Context, p change, what, done string) error {
	if !a.json {
		a.printPlan(p)
	}
	if a.dryRun || done == "" {
		return a.printResult(p, "")
	}
	if err := a.confirm(ctx, what); err != nil {
		return err
	}
	if err := a.apply(func(rep ops.Reporter) error { return p.Apply(ctx, rep) }); err != nil {
		return err
	}
	return a.printResult(p, done)
}

// printResult is the end of an operation for a script.
func (a *app) printResult(p change, done string) error {
	if !a.json {
		return nil
	}
	r, err := a.report()
	if err != nil {
		return err
	}
	return a.printJSON(result{Done: done, Plan: strings.Split(p.String(), "\n"), Slots: r.Document().Slots})
}

// operation is a command that rewrites files of a flash.
func operation(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = printsJSON
	return cmd
}
