// Command holdfast is a firmware maintenance console for Linux appliances: /init of the kexec
// stage, a command on the running appliance, and a tool on the bench.
package main

func main() {}
