// Package safety holds the rules that no option lifts: which image of a flash counts as confirmed, and
// which may be replaced or removed. They are pure functions of a report, so that every combination can be
// tabled.
package safety

import "holdfast/ops/status"

// Counts reports whether an image counts as confirmed: it is whole, and the record says so; or nobody
// knows of it, and the running system was booted from it (booted, "" when not known) or no slot is confirmed.
// A damaged one never counts.
func Counts(r *status.Report, booted, name string) bool { return false }

// Victim is the slot, active or backup, whose image gives way to a new one. What gives way is never the
// last confirmed image, nor one that is worth more than the other: confirmed, unknown, trial, bad, damaged, empty.
func Victim(r *status.Report, booted string) string { return "" }

// Removable says why an image may not be removed; nil when it may.
func Removable(r *status.Report, booted, name string) error { return nil }

// Spare lists what may be removed to make room for a new image, the least valuable first.
func Spare(r *status.Report, booted string) []string { return nil }
