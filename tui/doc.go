// Package tui is the full-screen console: one bubbletea program for each console of the machine,
// all showing the same state.
//
// One hub owns the state and publishes it as snapshots that do not change. Every console has a
// session, which takes the console, runs a program on it and brings both back when the line is lost.
// A program's screens draw the latest snapshot and send requests; they decide nothing.
package tui
