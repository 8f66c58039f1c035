package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// The one method, which takes nothing and gives nothing: who answered is in the headers of the answer.
const (
	service = "rollout.test.Shop"
	method  = "Visit"
)

// The headers of an answer.
const (
	versionHeader = "x-version"
	podHeader     = "x-pod"
)

type visitor interface {
	visit(ctx context.Context) error
}

// description is what a compiler would make of the service, if it were worth one.
func description() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*visitor)(nil),
		Methods: []grpc.MethodDesc{{MethodName: method, Handler: func(shop any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, shop.(visitor).visit(ctx)
		}}},
	}
}
