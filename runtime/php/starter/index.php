<?php

function main(array $args): array
{
    $name = $args['name'] ?? 'World';

    echo "greeting $name\n";
    return ['greeting' => "Hello, $name!"];
}
