package traffic

import "context"

// Pointer makes subsets reach the pods of a revision. It is for pairs with SubsetsOf; what a Service reaches its selector says.
type Pointer interface {
	// Observe reads back what the two subsets of the target's pair reach. With live it asks the API server, else it may
	// answer from a cache. An error means that nothing is known.
	Observe(ctx context.Context, target Target, live bool) (Subsets, error)
	// Point makes the subset of that name, which is one of the pair, reach the pods of a revision, or those of all if the
	// revision is empty, where it doesn't already. It changes only what was observed: an object that has changed since is left alone and the error wraps ErrChanged.
	Point(ctx context.Context, target Target, observed Subsets, name, revision string) ([]Write, error)
}

// Subsets is what the object says that declares the two subsets of a pair.
type Subsets struct {
	// RouteName names the object.
	RouteName
	// Missing: the object does not exist, so no route can use its subsets.
	Missing bool
	// Service in the target's namespace whose pods the subsets choose from; empty when Missing or Problem is set.
	Service string
	// Stable and Canary are the revisions that the two subsets reach; empty for a subset that doesn't choose by revision.
	Stable, Canary string
	// Problem says why the subsets can't be used, naming the field and the way out; empty if they can.
	Problem string
	// UID and ResourceVersion are the precondition of a write.
	UID             string
	ResourceVersion string
}
