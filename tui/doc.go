// Package tui is the full-screen console: one bubbletea program for each console of the machine,
// all showing the same state.
package tui
