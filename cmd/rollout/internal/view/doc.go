// Package view turns Rollouts into text for people. It is pure: the same object at the same time gives the same text,
// and what happened is told in the words of the status.
package view
