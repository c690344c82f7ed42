<?php
// Greets whoever the argument names.

function main(array $args): array
{
    return ['greeting' => 'Hello, ' . ($args['name'] ?? 'World') . '!'];
}
