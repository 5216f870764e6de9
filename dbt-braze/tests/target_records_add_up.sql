-- target-braze accounts for every record that it has read.
select run_id, stream
from {{ ref("braze__target_runs") }}
where "read" is distinct from sent + coalesced + unchanged + left_out + opted_out + rejected + in_doubt + "open"
