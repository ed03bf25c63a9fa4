package osspecific

import (
	"os"
	"syscall"

	"github.com/argoproj/argo-workflows/v4/util/errors"
)

// Term ends a process that may clean up.
var Term = os.Signal(syscall.SIGTERM)

// CanIgnoreSignal tells signals that say nothing to a process which is waited for.
func CanIgnoreSignal(s os.Signal) bool {
	return s == syscall.SIGCHLD || s == syscall.SIGURG
}

// Kill sends a signal to the process, or to a group where the number is negative.
func Kill(pid int, s syscall.Signal) error {
	return syscall.Kill(pid, s)
}

// Setpgid gives the process a group of its own.
func Setpgid(attributes *syscall.SysProcAttr) {
	attributes.Setpgid = true
}

// Wait waits until the process ends, and reaps others that were left to us meanwhile.
func Wait(process *os.Process) error {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if pid != process.Pid {
			continue
		}
		switch {
		case status.Signaled():
			return errors.NewExitErr(128 + int(status.Signal()))
		case status.ExitStatus() != 0:
			return errors.NewExitErr(status.ExitStatus())
		}
		return nil
	}
}
