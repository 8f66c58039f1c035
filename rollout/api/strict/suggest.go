package strict

import "strings"

// suggest names the field that was probably meant, and all that there are.
func suggest(name string, known []field) string {
	if len(known) == 0 {
		return "remove it, nothing can stand there"
	}
	best, distance := "", min(len(name), len(name)/3+2)
	for _, f := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(f.name)); d < distance {
			best, distance = f.name, d
		}
	}
	if best == "" {
		return "known are " + names(known)
	}
	return "did you mean " + best + "? Known are " + names(known)
}

func names(fields []field) string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}

// edits counts the letters to insert, remove, replace or swap with their neighbour to make one word of another.
func edits(from, to string) int {
	a, b := []rune(from), []rune(to)
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range a {
		for j := range b {
			replaced := rows[i][j]
			if a[i] != b[j] {
				replaced++
			}
			rows[i+1][j+1] = min(rows[i][j+1]+1, rows[i+1][j]+1, replaced)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				rows[i+1][j+1] = min(rows[i+1][j+1], rows[i-1][j-1]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
