-- The databases of a cluster: the lake's catalog, what people typed and what is under way, Dagster's runs.
CREATE DATABASE lake;
CREATE DATABASE state;
CREATE DATABASE dagster;
