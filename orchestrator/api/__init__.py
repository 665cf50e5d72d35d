"""The API: what the commands can do, over HTTP, with a token. A skin over `orchestrator.backends.direct`.

service      runs it under uvicorn, with its token
application  puts it together: guard, routes, errors
guard        lets in who shows the token
sweeps, devices, events, vitals     the routes
asked, told  the bodies of requests, and the shapes of answers as OpenAPI has them
"""
