package traffic

import "errors"

// ErrChanged says that an object was changed between reading and writing it. The caller reads and decides again.
var ErrChanged = errors.New("the object was changed by someone else since it was read")
