module github.com/sciabarracom/openwhisk-runtime-go

go 1.18

require openwhisk v0.0.0

replace openwhisk => ../openwhisk
