package rollout

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// hashLength is the number of letters of a hash: 27^10 values, so that two templates of one Rollout never meet.
const hashLength = 10

// hashLetters has no vowels, so that no hash spells a word, and nothing that is easily taken for something else.
const hashLetters = "bcdfghjklmnpqrstvwxz2456789"

// Hash is the name of a pod template's revision. It depends on the template's JSON as the user wrote it and on nothing
// else: order of keys, white space and fields that are null don't count, and no library's idea of a default is ever
// mixed in, so that upgrading this program can't make a revision look new. It fails on what is not a JSON object.
func Hash(template []byte) (Revision, error) {
	decoder := json.NewDecoder(bytes.NewReader(template))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return "", fmt.Errorf("read the pod template: %w", err)
	}
	dropNulls(tree)
	canonical, err := json.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("write the pod template in canonical form: %w", err)
	}
	sum := sha256.Sum256(canonical)
	name := make([]byte, hashLength)
	for i := range name {
		name[i] = hashLetters[int(sum[i])%len(hashLetters)]
	}
	return string(name), nil
}

// dropNulls removes fields that are null: "creationTimestamp: null", which many tools emit, says nothing.
func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			if field == nil {
				delete(v, key)
				continue
			}
			dropNulls(field)
		}
	case []any:
		for _, element := range v {
			dropNulls(element)
		}
	}
}
