module openwhisk

go 1.18
